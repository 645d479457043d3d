"""Who puts jaxconv under a model works here: lax's signatures, and `patch`."""

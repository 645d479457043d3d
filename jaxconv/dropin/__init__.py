"""Who puts jaxconv under a model works here: lax's functions, and `patch`."""

"""A page to draw on: both passes of a convolution, made visible."""

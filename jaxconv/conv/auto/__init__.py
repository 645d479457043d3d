"""Who tunes works here: what computes each map where no method is asked for."""

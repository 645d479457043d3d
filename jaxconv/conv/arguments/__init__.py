"""Who checks what a caller gave works here: arrays, shapes, settings, names, hints."""

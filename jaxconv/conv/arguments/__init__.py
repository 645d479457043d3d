"""Who checks what a caller gave works here: shapes, types, conventions, words."""

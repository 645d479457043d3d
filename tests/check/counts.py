"""How much `check_bilinear` compares in the tests of seeded bugs."""

COUNTS = {"entries": 10}

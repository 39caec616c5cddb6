"""How large the pictures of a sweep are. Two of them stand beside each other, so it is one size."""

WIDTH, HEIGHT = 680.0, 380.0

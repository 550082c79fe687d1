"""How far apart two action values are, in units of what matters."""

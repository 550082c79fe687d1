"""Actions to tokens and back."""

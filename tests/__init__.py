"""Mirrors the packages; what is shared between test modules is imported from here."""

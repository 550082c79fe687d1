"""Manipulation tasks for the SO-101 arm, in joint positions or in movements of the hand."""

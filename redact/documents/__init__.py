"""Encapsulated documents, written anew from their cleaned words."""

"""Alembic's folder for the identity database."""

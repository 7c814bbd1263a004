"""The outbox for SQLAlchemy 2: its table, the app's transaction, and the database as the relay reads it."""

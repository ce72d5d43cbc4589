"""Staff accounts, their roles, and the audit trail of what they changed."""

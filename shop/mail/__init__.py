"""Mail: an outbox written in the transaction that causes a message, and the sending of it afterwards."""

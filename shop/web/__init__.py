"""The doors: each takes a form, calls a verb and shows a page. No SQL and no rule of the trade lives here."""

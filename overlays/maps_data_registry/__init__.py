"""Know when an Azure Maps data register or replace operation is done, or why it failed."""

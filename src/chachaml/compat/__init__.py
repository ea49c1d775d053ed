"""Modules that take the place of others': scripts written for them log to chachaml by one changed import."""

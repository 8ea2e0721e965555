"""What is told of a site, to pages and to what is published to, in one form."""

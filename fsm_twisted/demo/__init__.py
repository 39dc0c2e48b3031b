"""The article's sample applications, and the stand-in node that runs them."""

"""Assembly: the application, the command line, the workers and the embedded servers."""

"""Other people's languages: readers and writers of foreign formats that yield neutral rows."""

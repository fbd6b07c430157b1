"""Objects whose identity sits in content: SR, documents, graphics."""

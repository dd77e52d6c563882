"""Objects in S3, Google Cloud Storage, Azure Blob Storage or a folder."""

"""The pure side of mail: which accounts share a mail, when it is tried again, what it says and how it is written."""

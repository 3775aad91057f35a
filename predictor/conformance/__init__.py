"""Bundle or sample request + a server → which rules of KServe's protocols it keeps."""

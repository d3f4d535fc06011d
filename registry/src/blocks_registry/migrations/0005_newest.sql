-- What was saved last is found without looking at all.

CREATE INDEX documents_by_time ON documents (saved_at, slug, name);

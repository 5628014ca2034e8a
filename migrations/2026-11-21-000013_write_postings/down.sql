drop function write_postings;

-- CSV files that an admin looks at before their credits are created. Forgotten after a day.
create table imports (
    id uuid constraint imports_pkey primary key,
    user_id bigint not null
        constraint imports_user_id_fkey references users (id) on delete cascade,
    content text not null
        constraint imports_content_length check (octet_length(content) <= 1048576),
    created_at timestamptz not null,
    -- When its credits were created: once.
    done_at timestamptz
);

create index imports_created_at_index on imports (created_at);

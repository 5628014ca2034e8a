//! Hand-written SQL that is prepared once per connection. Diesel's own `sql_query` is parsed and
//! planned anew on every call, which for the statements of a batch costs more than running them.

use std::marker::PhantomData;

use diesel::expression::TypedExpressionType;
use diesel::pg::Pg;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::serialize::ToSql;
use diesel::sql_types::HasSqlType;
use diesel::{PgConnection, QueryResult, RunQueryDsl};

/// One statement with a fixed text. Every `$` in the text stands for the next bind.
pub struct Statement<'a, Row> {
    text: &'static str,
    binds: Vec<Box<dyn PushBind + 'a>>,
    row: PhantomData<Row>,
}

/// A statement whose rows have the SQL types `Row`, a tuple; `()` where it returns none.
pub fn statement<'a, Row>(text: &'static str) -> Statement<'a, Row> {
    Statement { text, binds: Vec::new(), row: PhantomData }
}

impl<'a, Row> Statement<'a, Row> {
    /// Gives the next `$` its value.
    #[must_use]
    pub fn bind<SqlType, Value>(mut self, value: Value) -> Self
    where
        SqlType: 'a,
        Value: ToSql<SqlType, Pg> + 'a,
        Pg: HasSqlType<SqlType>,
    {
        self.binds.push(Box::new(Bind { value, sql_type: PhantomData::<SqlType> }));
        self
    }
}

trait PushBind {
    fn push<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()>;
}

struct Bind<SqlType, Value> {
    value: Value,
    sql_type: PhantomData<SqlType>,
}

impl<SqlType, Value> PushBind for Bind<SqlType, Value>
where
    Value: ToSql<SqlType, Pg>,
    Pg: HasSqlType<SqlType>,
{
    fn push<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<SqlType, Value>(&self.value)
    }
}

impl<Row> QueryFragment<Pg> for Statement<'_, Row> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        let mut parts = self.text.split('$');
        debug_assert_eq!(self.text.matches('$').count(), self.binds.len(), "{}", self.text);
        out.push_sql(parts.next().unwrap_or_default());
        for (bind, part) in self.binds.iter().zip(parts) {
            bind.push(&mut out)?;
            out.push_sql(part);
        }
        Ok(())
    }
}

/// The text is the identity, so that diesel keeps the prepared statement under it.
impl<Row> QueryId for Statement<'_, Row> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Row: TypedExpressionType> Query for Statement<'_, Row> {
    type SqlType = Row;
}

impl<Row> RunQueryDsl<PgConnection> for Statement<'_, Row> {}

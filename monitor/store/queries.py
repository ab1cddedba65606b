"""Every question that is put to ClickHouse, as a named text with typed server-side parameters.

A test runs EXPLAIN PLAN on each of them, bare and with every filter, so a renamed column is found before it is released.
"""

from __future__ import annotations

from monitor.store.fragments import Query, query

# --- one response, or a page of them ---------------------------------------------------------------------------------

LIST = query(
    "list",
    "The response list: one page, newest first.",
    "SELECT $listed\n$responses\nORDER BY time DESC, id DESC\nLIMIT {limit:UInt32}",
)

EXCERPTS = query(
    "excerpts",
    "The first 240 code points of the answers of a page, by their keys.",
    """SELECT time, id, substringUTF8(answer, 1, 240) AS excerpt
FROM records FINAL
WHERE project = {project:String} AND time IN {times:Array(DateTime64(3, 'UTC'))} AND id IN {ids:Array(String)}""",
)

LOCATE = query(
    "locate",
    "When responses with these ids were produced; the bloom filter on id finds them without their time.",
    """SELECT id, argMax(time, received_at) AS at
FROM records
WHERE project = {project:String} AND id IN {ids:Array(String)}
GROUP BY id""",
)

ONE = query(
    "one",
    "One response's line, by time and id.",
    """SELECT $listed
FROM responses FINAL
WHERE project = {project:String} AND time = {time:DateTime64(3, 'UTC')} AND id = {id:String} AND workflow != ''""",
)

RECORD = query(
    "record",
    "One response as it was logged.",
    """SELECT received_at, answer, record
FROM records FINAL
WHERE project = {project:String} AND time = {time:DateTime64(3, 'UTC')} AND id = {id:String}""",
)

OUTCOMES_OF = query(
    "outcomes_of",
    "Every outcome of one response with its findings, for the detail page.",
    """SELECT detector, workflow, state, finished_at, detector_version, weights_version, reason, duration_ms, attempts,
  findings.claim_id, findings.claim_text, findings.claim_kind, findings.claim_span, findings.verdict, findings.score,
  findings.error, findings.reason, findings.explanation, findings.evidence_id, findings.region, findings.time,
  findings.page, findings.evidence_span, findings.quote, findings.duration_ms,
  usage.item, usage.quantity, usage.unit, usage.amount, usage.currency
FROM outcomes FINAL
WHERE project = {project:String} AND response_time = {time:DateTime64(3, 'UTC')} AND response_id = {id:String}
ORDER BY detector""",
)

QUALITY_OF = query(
    "quality_of",
    "How good each measured piece of one response's evidence is, for the detail page.",
    """SELECT evidence_id, family, sha256, toString(grade) AS grade, problems.name, problems.grade, problems.text, measures, duration_ms
FROM evidence_quality FINAL
WHERE project = {project:String} AND response_time = {time:DateTime64(3, 'UTC')} AND response_id = {id:String}
ORDER BY evidence_id""",
)

STATES_OF = query(
    "states_of",
    "How each detector ended on these responses; the driver asks what is left to do.",
    """SELECT id, mapKeys(outcomes) AS detectors, mapValues(outcomes).state AS states
FROM responses FINAL
WHERE project = {project:String} AND time IN {times:Array(DateTime64(3, 'UTC'))} AND id IN {ids:Array(String)}""",
)

# --- a window in numbers ---------------------------------------------------------------------------------------------

SUMMARY = query(
    "summary",
    "Quality, latency and cost of a window in one row.",
    """SELECT
  count() AS responses,
  countIf($checked) AS checked,
  countIf($flagged) AS flagged,
  countIf(empty(outcomes)) AS pending,
  quantilesExactInclusive(0.5, 0.95, 0.99)(duration_ms) AS durations,
  countIf(isNotNull(duration_ms)) AS timed,
  $cost_total AS cost_total,
  $cost_mean AS cost_mean,
  anyIf(currency, isNotNull(cost)) AS one_currency,
  uniqExactIf(currency, isNotNull(cost)) AS currencies,
  countIf(isNull(cost) OR unpriced_items > 0) AS unpriced,
  quantileExactInclusiveIf(0.95)(
    (toInt64(arrayMax(mapValues(outcomes).finished_ms)) - toUnixTimestamp64Milli(received_at)) / 1000, notEmpty(outcomes)
  ) AS lag,
  sumMap([toInt8(input_quality)], [toUInt64(1)], [toUInt64($checked)], [toUInt64($flagged)]) AS qualities
$responses""",
)

DETECTORS = query(
    "detectors",
    "Responses by detector and how it ended; the row of the whole detector has the durations of those it did not turn away.",
    """SELECT d, toString(o.state) AS state, grouping(state) AS whole, count() AS responses, sum(o.flagged) AS flagged,
  quantilesExactInclusiveIf(0.5, 0.95)(o.duration_ms, o.state IN ('judged', 'abstained', 'failed')) AS durations,
  countIf(o.state IN ('judged', 'abstained', 'failed')) AS ran
FROM (SELECT outcomes $responses)
ARRAY JOIN mapKeys(outcomes) AS d, mapValues(outcomes) AS o
WHERE $wanted
GROUP BY GROUPING SETS ((d, state), (d))
ORDER BY d, state""",
)

TRENDS = query(
    "trends",
    "Buckets of time with at least one response; they start at multiples of their length from the Unix epoch, UTC.",
    """SELECT
  intDiv(toUnixTimestamp64Milli(time), 1000 * {bucket:UInt32}) * {bucket:UInt32} AS start,
  count() AS responses,
  countIf($checked) AS checked,
  countIf($flagged) AS flagged,
  quantilesExactInclusive(0.5, 0.95)(duration_ms) AS durations,
  countIf(isNotNull(duration_ms)) AS timed,
  $cost_mean AS cost_mean,
  $cost_total AS cost_total
$responses
GROUP BY start
ORDER BY start""",
)

RELEASE_MARKS = query(
    "release_marks",
    "Releases whose very first response lies in the window. A minimum needs no FINAL: rows of one key share their time.",
    """SELECT min(time) AS first_seen, release
FROM responses
WHERE project = {project:String} AND time < {until:DateTime64(3, 'UTC')} AND release != '' $filters
GROUP BY release
HAVING first_seen >= {since:DateTime64(3, 'UTC')}
ORDER BY first_seen, release""",
)

# One narrow scan a facet: five times faster than unfolding every row into all of its values.
FACETS = query(
    "facets",
    "Values to filter by, most frequent first. Counts only rank here, so rows are read as they lie, without FINAL.",
    """SELECT facet, key, value, n FROM (
  SELECT 'workflow' AS facet, '' AS key, toString(workflow) AS value, count() AS n
  FROM responses WHERE $window AND workflow != '' GROUP BY value ORDER BY n DESC, value LIMIT 200
  UNION ALL
  SELECT 'risk' AS facet, '' AS key, toString(risk) AS value, count() AS n
  FROM responses WHERE $window AND risk != '' GROUP BY value ORDER BY n DESC, value LIMIT 200
  UNION ALL
  SELECT 'model' AS facet, '' AS key, toString(model) AS value, count() AS n
  FROM responses WHERE $window AND model != '' GROUP BY value ORDER BY n DESC, value LIMIT 200
  UNION ALL
  SELECT 'release' AS facet, '' AS key, toString(release) AS value, count() AS n
  FROM responses WHERE $window AND release != '' GROUP BY value ORDER BY n DESC, value LIMIT 200
  UNION ALL
  SELECT 'detector' AS facet, '' AS key, value, count() AS n
  FROM responses ARRAY JOIN mapKeys(outcomes) AS value WHERE $window GROUP BY value ORDER BY n DESC, value LIMIT 200
  UNION ALL
  SELECT 'cohort' AS facet, key, value, count() AS n
  FROM responses ARRAY JOIN mapKeys(cohort) AS key, mapValues(cohort) AS value
  WHERE $window GROUP BY key, value ORDER BY key, n DESC, value LIMIT 200 BY key
)
ORDER BY facet, key, n DESC, value""",
)

# --- how well the answering model did ---------------------------------------------------------------------------------

TASK_METRICS = query(
    "task_metrics",
    "Mean and variance of each metric of answers with a reference, by group.",
    """SELECT slice, name, count() AS n, avg(value) AS mean, varSamp(value) AS variance
FROM (
  SELECT $slice AS slice, task_metrics
  $responses
    AND notEmpty(task_metrics)
)
ARRAY JOIN mapKeys(task_metrics) AS name, mapValues(task_metrics) AS value
GROUP BY slice, name
ORDER BY slice, name""",
)

ATTEMPTS = query(
    "attempts",
    "How many questions with a reference were asked so often and answered correctly so often, by group; an abstention is no success.",
    """SELECT slice, attempts, correct, count() AS questions
FROM (
  SELECT $slice AS slice, question_key, count() AS attempts, countIf(task_metrics['correct'] = 1) AS correct
  $responses
    AND notEmpty(task_metrics)
  GROUP BY slice, question_key
  HAVING attempts > 1
)
GROUP BY slice, attempts, correct
ORDER BY slice, attempts, correct""",
)

# An unanswerable question is one whose reference is empty. Without a reference the detectors' verdict on checked responses
# stands in, and missing_evidence judges refusals.
ANSWER_CELLS = query(
    "answer_cells",
    "Responses by group, kind of truth, abstention, confidence (-1: none stated, else in thousandths) and whether right (-1: unknown).",
    """SELECT slice, known, abstained, stated, is_right, count() AS responses
FROM (
  SELECT $slice AS slice, notEmpty(task_metrics) AS known, abstained, toInt16(ifNull(round(confidence * 1000), -1)) AS stated,
    multiIf(
      known AND abstained = 1, toInt8(task_metrics['answerable'] = 0),
      known, toInt8(task_metrics['correct'] = 1),
      abstained = 1 AND outcomes['missing_evidence'].state = 'judged', toInt8(outcomes['missing_evidence'].flagged = 0),
      abstained = 0 AND $checked, toInt8(NOT $flagged),
      toInt8(-1)
    ) AS is_right
  $responses
)
GROUP BY slice, known, abstained, stated, is_right
ORDER BY slice, known, abstained, stated, is_right""",
)

# --- what the jobs and the driver ask --------------------------------------------------------------------------------

SLICES = query(
    "slices",
    "Hourly buckets of each workflow (empty key and value) and of each cohort value in it, for the drift and cost jobs.",
    """SELECT workflow, slice.1 AS cohort_key, slice.2 AS cohort_value,
  intDiv(toUnixTimestamp64Milli(time), 3600000) * 3600 AS start,
  count() AS responses,
  countIf(is_checked) AS checked,
  countIf(is_flagged) AS flagged,
  $cost_mean AS cost_mean,
  $cost_total AS cost_total,
  countIf(isNotNull(cost)) AS priced,
  quantilesExactInclusive(0.95)(duration_ms) AS durations,
  countIf(isNotNull(duration_ms)) AS timed
FROM (
  SELECT workflow, time, cohort, cost, currency, duration_ms, $checked AS is_checked, $flagged AS is_flagged
  $responses
)
ARRAY JOIN arrayConcat([('', '')], arrayMap((k, v) -> (k, v), mapKeys(cohort), mapValues(cohort))) AS slice
GROUP BY workflow, cohort_key, cohort_value, start
ORDER BY workflow, cohort_key, cohort_value, start""",
)

STAGES = query(
    "stages",
    "Latency of each stage of each workflow. Stage 'total' is the whole response; it has a budget where every stage has one.",
    """SELECT workflow, stage.1 AS name, count() AS responses,
  quantilesExactInclusive(0.5, 0.95, 0.99)(stage.2) AS durations,
  countIf(ifNull(stage.2 > stage.3, 0)) AS over_budget,
  countIf(isNotNull(stage.3)) AS with_budget
FROM (
  SELECT workflow, arrayConcat(
    arrayMap((n, d, b) -> (toString(n), d, b), stages.name, stages.duration_ms, stages.budget_ms),
    [('total', arraySum(stages.duration_ms), if(has(stages.budget_ms, NULL), NULL, arraySum(b -> assumeNotNull(b), stages.budget_ms)))]
  ) AS chain
  FROM records FINAL
  WHERE $window AND notEmpty(stages.name)
)
ARRAY JOIN chain AS stage
GROUP BY workflow, name
ORDER BY workflow, name""",
)

MISSING_MODALITIES = query(
    "missing_modalities",
    "Families that over half of a workflow's responses carry, and how many lack them (maybe none); five samples, newest first.",
    """SELECT workflow, family, count() AS responses, countIf(NOT has(modalities, family)) AS missing,
  arrayMap(s -> s.2, groupArraySortedIf(5)((-toUnixTimestamp64Milli(time), id), NOT has(modalities, family))) AS samples
FROM (SELECT workflow, time, id, modalities $responses)
ARRAY JOIN ['image', 'audio', 'video', 'text', 'pdf', 'other'] AS family
GROUP BY workflow, family
HAVING missing * 2 < responses
ORDER BY workflow, family""",
)

# Few of what came in the last hour have just ended: the times of those tell where they lie, and the rest is not read.
REVIEW_CANDIDATES = query(
    "review_candidates",
    "What the review sampling policy weighs: responses that all these detectors ended on since a time, or that at least one ended on "
    "and that are too old to wait for the rest.",
    """SELECT id, time, workflow, risk, $max_score AS max_score, $flagged AS is_flagged, $checked AS is_checked
$responses
  AND notEmpty(outcomes)
  AND time IN (
    SELECT response_time FROM outcomes
    WHERE project = {project:String}
      AND response_time >= {since:DateTime64(3, 'UTC')} AND response_time < {until:DateTime64(3, 'UTC')}
      AND (response_time <= {old:DateTime64(3, 'UTC')} OR toUnixTimestamp64Milli(finished_at) >= {ended_ms:UInt64})
  )
  AND (
    time <= {old:DateTime64(3, 'UTC')}
    OR arrayMax(mapValues(outcomes).finished_ms) >= {ended_ms:UInt64} AND hasAll(mapKeys(outcomes), {detectors:Array(String)})
  )
ORDER BY time, id""",
)

PROJECTS = query(
    "projects",
    "Projects with responses since a time.",
    "SELECT DISTINCT project FROM responses WHERE time >= {since:DateTime64(3, 'UTC')} ORDER BY project",
)

DUE_UNTIL = query(
    "due_until",
    "The sequence that ends a sidecar's next micro-batch; reads no wide column.",
    """SELECT max(sequence) AS last
FROM (
  SELECT DISTINCT sequence FROM records
  WHERE sidecar = {sidecar:String} AND sequence > {after:UInt64}
  ORDER BY sequence LIMIT {limit:UInt32}
)""",
)

DUE = query(
    "due",
    "Records of a sidecar in the order it took them in, for the detect driver.",
    """SELECT project, sequence, received_at, answer, record
FROM records
WHERE sidecar = {sidecar:String} AND sequence > {after:UInt64} AND sequence <= {last:UInt64}
ORDER BY sequence
LIMIT 1 BY sequence""",
)

DUE_COUNT = query(
    "due_count",
    "How many records of a sidecar the detect driver has not come to yet.",
    "SELECT uniqExact(sequence) FROM records WHERE sidecar = {sidecar:String} AND sequence > {after:UInt64}",
)

SIDECARS = query("sidecars", "Every sidecar that has written records.", "SELECT DISTINCT sidecar FROM records ORDER BY sidecar")

ENGINES = query(
    "engines",
    "Engine clauses of the tables, to compare the retention.",
    "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()",
)

ALL: tuple[Query, ...] = tuple(value for value in list(globals().values()) if isinstance(value, Query))

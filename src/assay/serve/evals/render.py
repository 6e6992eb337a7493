"""Evals, runs and results in OpenAI's form, with ours in ``x_assay``."""

from __future__ import annotations

from typing import Any

from assay.runs.store.evals import EvalRow, ItemRow, RunRow
from assay.serve.evals.totals import compute_means, count_results, list_usage

_SAMPLE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "output_text": {"type": "string"},
        "output_json": {},
        "output_tools": {"type": "array", "items": {"type": "object"}},
        "choices": {"type": "array", "items": {"type": "object"}},
    },
}


def render_eval(row: EvalRow) -> dict[str, Any]:
    config = row.data_source_config
    properties = {"item": config["item_schema"]}
    if config["include_sample_schema"]:
        properties["sample"] = _SAMPLE_SCHEMA
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {
        "id": row.id,
        "object": "eval",
        "created_at": int(row.created_at),
        "name": row.name,
        "metadata": row.metadata or {},
        "data_source_config": {"type": config["type"], "schema": schema},
        "testing_criteria": row.testing_criteria,
    }


def render_run(row: RunRow) -> dict[str, Any]:
    """A run; `error` is null or whole. ``x_assay.mean_scores`` has the mean score by criterion."""
    totals = row.totals or {}
    return {
        "id": row.id,
        "object": "eval.run",
        "eval_id": row.eval_id,
        "created_at": int(row.created_at),
        "name": row.name,
        "metadata": row.metadata or {},
        "status": row.status,
        "model": row.model,
        "data_source": row.data_source,
        "error": row.error,
        "report_url": f"/v1/evals/{row.eval_id}/runs/{row.id}/output_items",
        "result_counts": count_results(totals),
        "per_testing_criteria_results": [
            {"testing_criteria": name, "passed": one["passed"], "failed": one["failed"]}
            for name, one in totals.get("criteria", {}).items()
        ],
        "per_model_usage": list_usage(totals),
        "x_assay": {"mean_scores": compute_means(totals)},
    }


def render_item(row: ItemRow, run: RunRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "object": "eval.run.output_item",
        "created_at": int(row.created_at),
        "eval_id": run.eval_id,
        "run_id": run.id,
        "status": row.status,
        "datasource_item_id": row.number,
        "datasource_item": row.item,
        "results": row.results,
        "sample": row.sample,
    }

"""Errors as OpenAI's client reads them: ``{"error": {message, type, param, code}}``, always.

Whatever goes wrong ends here, unknown paths, unreadable bodies and bugs of ours too.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DataError, OperationalError
from starlette.exceptions import HTTPException

from assay.errors import AssayError, Problem, ResourceError, UsageError, render_grouped

_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
_CODES = {
    404: "unknown_url",
    405: "method_not_allowed",
    413: "request_too_large",
    415: "unsupported_media_type",
}
DATABASE_UNAVAILABLE = "database_unavailable"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FIX_FIRST = ("body", "query", "path", "header")


class ApiError(HTTPException):
    """A refusal: HTTP status, and the four fields that the client shows."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        kind: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, message, dict(headers or {}))
        self.message, self.code, self.param = message, code, param
        self.kind = kind or _choose_type(status)


def refuse(message: str, *, param: str | None = None, code: str = "invalid_value") -> ApiError:
    """A request that is wrong (400)."""
    return ApiError(400, message, code=code, param=param)


def not_found(what: str, identity: str, *, param: str, code: str = "") -> ApiError:
    """No such thing (404)."""
    named = code or f"{what.replace(' ', '_')}_not_found"
    return ApiError(404, f"No such {what}: {identity!r}.", code=named, param=param)


def refuse_problems(problems: Sequence[Problem], *, param: str = "", code: str = "") -> ApiError:
    """Problems of ours as one refusal; all of them in the message, the first one's key as param."""
    first = problems[0].key if problems else ""
    place = ".".join(filter(None, (param, first)))
    message = "\n".join(render_grouped(problems))
    return refuse(message, param=place or None, code=code or "invalid_value")


def build_response(error: ApiError) -> JSONResponse:
    """The envelope. A client of OpenAI's tries 409 again by itself; a conflict stays one."""
    headers = dict(error.headers or {})
    if error.status_code == 409:
        headers.setdefault("x-should-retry", "false")
    return JSONResponse(describe_error(error), error.status_code, headers)


def describe_error(error: ApiError) -> dict[str, Any]:
    """The envelope's body, which a stream that fails ends with too."""
    return {
        "error": {
            "message": error.message,
            "type": error.kind,
            "param": error.param,
            "code": error.code,
        }
    }


def build_failure_response(error: Exception) -> JSONResponse:
    """What is said of an error that nobody raised on purpose; what it was is in the log alone.

    A database that does not answer is asked again by clients; a disk that is full is not.
    """
    said = str(error.orig) if isinstance(error, OperationalError) else ""
    if (isinstance(error, OSError) and error.errno in _DISK_FULL) or "is full" in said:
        return build_response(_name_full_disk())
    if isinstance(error, OperationalError):
        message = "The server's database does not answer."
        later = {"retry-after": "1"}
        return build_response(ApiError(503, message, code=DATABASE_UNAVAILABLE, headers=later))
    message = "The server failed on this request; its log says why, under the request's id."
    return build_response(ApiError(500, message, code="internal_error", kind="server_error"))


def add_error_responses(app: FastAPI) -> None:
    """Make `app` answer every exception that it raises on purpose in the envelope."""

    async def answer(request: Request, error: Exception) -> JSONResponse:
        return build_response(_to_api_error(error))

    for kind in (ApiError, HTTPException, RequestValidationError, AssayError, DataError):
        app.add_exception_handler(kind, answer)


def _to_api_error(error: Exception) -> ApiError:
    if isinstance(error, ApiError):
        return error
    if isinstance(error, RequestValidationError):
        return explain_validation(error.errors())
    if isinstance(error, HTTPException):
        code = _CODES.get(error.status_code, "invalid_request")
        message = _describe_http(error)
        return ApiError(error.status_code, message, code=code, headers=error.headers)
    if isinstance(error, UsageError):
        return refuse_problems(error.problems)
    if isinstance(error, ResourceError):
        return _name_full_disk()
    if isinstance(error, DataError):
        # PostgreSQL holds no NUL in a text, be it one that is only looked for.
        return refuse("A text of the request holds what the database cannot hold, such as a NUL.")
    return ApiError(500, str(error), code="internal_error", kind="server_error")


def _name_full_disk() -> ApiError:
    message = "The server has no room left on its disk; nothing of this request was kept."
    return ApiError(507, message, code="disk_full", headers={"x-should-retry": "false"})


def _describe_http(error: HTTPException) -> str:
    if error.status_code == 404:
        return "Unknown request URL. Check the path, and that the base URL ends with /v1."
    if error.status_code == 405:
        return "This URL does not take that method."
    return str(error.detail)


def explain_validation(errors: Sequence[Any]) -> ApiError:
    """All that pydantic finds wrong with a request; `param` is the dotted path of the first."""
    told = [(_to_param(one), str(one["msg"])) for one in errors]
    if errors[0]["type"] == "json_invalid":
        reason = errors[0].get("ctx", {}).get("error", "it cannot be read")
        return refuse(f"The body is not JSON: {reason}.", code="invalid_json")
    message = "; ".join(f"{param}: {text}" if param else text for param, text in told)
    code = "missing_required_parameter" if errors[0]["type"] == "missing" else "invalid_value"
    if errors[0]["type"] == "extra_forbidden":
        code = "unknown_parameter"
    return refuse(message, param=told[0][0], code=code)


def _to_param(error: Any) -> str | None:
    parts = [str(part) for part in error["loc"]]
    if parts and parts[0] in _FIX_FIRST:
        parts = parts[1:]
    return ".".join(parts) or None


def _choose_type(status: int) -> str:
    return _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")

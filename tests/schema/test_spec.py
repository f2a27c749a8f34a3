"""Facts about openapi.yaml itself: it is sound, it is complete, and it says where everything is known from."""

import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import openapi_spec_validator
import pytest
import yaml

from mock_server.document import Document
from mock_server.program import Program
from mock_server.resources import resource
from mock_server.rules import all_rules, keyword_sources
from mock_server.spec import CONFIDENCES, Operation, Spec, source_names
from mock_server.validation import Validation
from tests.schema.test_corpus import submit_validation, validation_under

# The body fields of DeerAPI's page, in its order, with their types.
PAGE_FIELDS = {
    "prompt": "string",
    "model_name": "string",
    "multi_shot": "boolean",
    "shot_type": "string",
    "multi_prompt": "array",
    "sound": "string",
    "image_list": "array",
    "element_list": "array",
    "mode": "string",
    "aspect_ratio": "string",
    "duration": "string",
    "video_list": "array",
    "watermark_info": "object",
    "callback_url": "string",
    "external_task_id": "string",
}

# The vendor's table of error codes.
STATUS_OF_CODE = {
    **dict.fromkeys((1000, 1001, 1002, 1003, 1004), 401),
    **dict.fromkeys((1100, 1101, 1102), 429),
    1103: 403,
    **dict.fromkeys((1200, 1201), 400),
    **dict.fromkeys((1202, 1203), 404),
    **dict.fromkeys((1300, 1301), 400),
    **dict.fromkeys((1302, 1303, 1304), 429),
    5000: 500,
    5001: 503,
    5002: 504,
}

# Where the twin answers otherwise than the table, or where the table says nothing.
DEVIATIONS = {
    "method-not-allowed": (405, 1202),
    "body-too-large": (413, 1200),
    "media-type-unsupported": (415, 1200),
    "headers-too-large": (431, 1200),
}
RETRIED = {"rate-limited": "backoff", "concurrency-exceeded": "backoff"}
READ_AGAIN = dict.fromkeys(("internal-error", "maintenance", "internal-timeout"), "reads")
GATEWAY = {
    "gateway-unauthorized": 401,
    "gateway-forbidden": 403,
    "gateway-quota-exhausted": 403,
    "gateway-pre-consume-failed": 403,
    "gateway-quota-as-429": 429,
}


@pytest.fixture(scope="module")
def spec(program: Program) -> Spec:
    return program.spec


@pytest.fixture(scope="module")
def root(spec: Spec) -> Any:
    return spec.document.root


@pytest.fixture(scope="module")
def task_type(root: Any) -> Any:
    return root["x-task-types"]["omni-video"]


@pytest.fixture(scope="module")
def submit(spec: Spec) -> Operation:
    return next(each for each in spec.operations if each.role == "submit")


@pytest.fixture(scope="module")
def extensions() -> Any:
    return json.loads(resource("fixtures/schemas/spec-extensions.schema.json").read_bytes())


def constraints_of(schema: Any) -> list[str]:
    """Return the keywords of a schema object that constrain a value by themselves."""
    structure = {"properties", "items", "description", "title", "default", "examples", "allOf"}
    return [key for key in schema if key not in structure and not key.startswith("x-")]


def test_it_is_a_sound_openapi_file(root: Any) -> None:
    openapi_spec_validator.validate(json.loads(json.dumps(root)))


def test_a_reader_of_yaml_1_1_reads_the_same() -> None:
    """To it a bare `on`, `no`, `16:9` or a day would be no text, so each of them stands in quotes."""
    path = resource("openapi.yaml")
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == Document(path).root


# Fields


def test_the_body_has_the_15_fields_of_the_page_with_their_types(submit: Operation) -> None:
    properties = submit.body_schema["properties"]
    assert {name: each["type"] for name, each in properties.items()} == PAGE_FIELDS
    assert len(properties) == 15


def test_every_field_of_the_page_is_documented_by_deerapi(spec: Spec, submit: Operation) -> None:
    for schema in submit.body_schema["properties"].values():
        assert [spec.sources[name].confidence for name in keyword_sources(schema, "type")] == ["documented-by-provider"]


def test_prompt_alone_is_required_and_its_default_is_the_pages(submit: Operation) -> None:
    assert submit.body_schema["required"] == ["prompt"]
    assert submit.body_schema["properties"]["prompt"]["default"] == "Hello"


def test_defaults_are_values_that_their_schema_allows(submit: Operation) -> None:
    for name, schema in submit.body_schema["properties"].items():
        if "default" in schema:
            assert jsonschema_rs.is_valid(schema, schema["default"]), name


def test_every_default_has_a_source(submit: Operation) -> None:
    bare = [pointer for pointer, schema in schemas_in(submit.body_schema) if "default" in schema]
    named = [pointer for pointer, schema in schemas_in(submit.body_schema) if keyword_sources(schema, "default")]
    assert set(bare) <= set(named)


def test_the_examples_are_valid_under_every_profile(spec: Spec, submit: Operation) -> None:
    for profile in spec.profiles:
        for name, body in submit.examples.items():
            assert validation_under(profile).check(body, None, ())[0] == [], name


def test_the_body_of_the_pages_curl_command_is_an_example(submit: Operation) -> None:
    assert submit.examples["page"] == {
        "model_name": "kling-video-o1",
        "prompt": "A cinematic shot of a modern glass workspace at sunrise with smooth camera movement.",
        "image_list": [{"image_url": "https://example.com/omni-reference.png"}],
        "mode": "pro",
        "aspect_ratio": "16:9",
        "duration": "5",
        "callback_url": "https://example.com/kling/callback",
    }


def test_the_reply_to_a_submit_has_the_members_of_the_page(root: Any) -> None:
    reply = root["components"]["schemas"]["SubmitReply"]
    data = reply["properties"]["data"]["properties"]
    envelope = root["components"]["schemas"]["Envelope"]
    assert [*envelope["required"], *reply["required"]] == ["code", "message", "request_id", "data"]
    assert list(data) == ["task_id", "task_status", "task_info", "created_at", "updated_at"]


def test_the_reply_to_a_query_has_the_members_of_the_vendor(root: Any) -> None:
    schemas = root["components"]["schemas"]
    assert {"task_status_msg", "task_info", "task_result", "watermark_info", "final_unit_deduction"} <= set(
        schemas["Task"]["properties"]
    )
    assert set(schemas["Video"]["properties"]) == {"id", "url", "watermark_url", "duration"}


# Sources


def schemas_in(schema: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    """A schema and those of its members and items; what stands in rules has the source of its rule."""
    yield pointer, schema
    for name, each in schema.get("properties", {}).items():
        yield from schemas_in(each, f"{pointer}/properties/{name}")
    if "items" in schema:
        yield from schemas_in(schema["items"], f"{pointer}/items")


def unsourced(schema: Any) -> list[str]:
    return [
        f"{pointer}/{keyword}"
        for pointer, each in schemas_in(schema)
        for keyword in constraints_of(each)
        if not keyword_sources(each, keyword)
    ]


def test_every_keyword_of_the_request_has_a_source(submit: Operation) -> None:
    assert unsourced(submit.body_schema) == []


def test_every_keyword_of_a_parameter_has_a_source(root: Any) -> None:
    schemas = [
        parameter["schema"]
        for item in root["paths"].values()
        for operation in item.values()
        for parameter in operation.get("parameters", [])
    ]
    assert len(schemas) == 9
    assert [missing for schema in schemas for missing in unsourced(schema)] == []


def test_no_source_is_named_for_a_keyword_that_is_not_there(submit: Operation) -> None:
    for pointer, schema in schemas_in(submit.body_schema):
        said = schema.get("x-source")
        if isinstance(said, dict):
            assert set(said) <= set(schema), pointer


def test_every_rule_has_a_source_and_says_what_is_allowed(spec: Spec) -> None:
    for rule in all_rules(spec):
        assert rule.sources, rule.id
        assert rule.message.endswith("."), rule.id


def test_the_rules_are_those_of_the_facts(spec: Spec) -> None:
    numbered = {int(match[1]) for rule in all_rules(spec) if (match := re.match(r"R(\d+)", rule.id))}
    assert numbered == {*range(1, 19)}


def test_r18_is_assumed(spec: Spec) -> None:
    assert {rule.id: rule.confidence for rule in all_rules(spec)}["R18"] == "assumed"


def test_every_operation_has_a_source(root: Any) -> None:
    for item in root["paths"].values():
        for operation in item.values():
            assert source_names(operation["x-source"]), operation["operationId"]


@pytest.mark.parametrize("member", ["statuses", "pace", "failures"])
def test_every_status_pace_and_failure_has_a_source(task_type: Any, member: str) -> None:
    assert task_type[member]
    assert [name for name, each in task_type[member].items() if not source_names(each.get("source"))] == []


@pytest.mark.parametrize("member", ["id", "concurrency", "result", "units"])
def test_every_other_part_of_a_task_type_has_a_source(task_type: Any, member: str) -> None:
    assert source_names(task_type[member].get("source"))


def test_every_problem_has_a_source(spec: Spec) -> None:
    assert [name for name, problem in spec.problems.items() if not problem.sources] == []


def test_the_messages_of_refusals_have_a_source(root: Any) -> None:
    assert source_names(root["x-refusals"]["messages"]["source"])


def test_every_part_of_the_delivery_has_a_source(root: Any, submit: Operation) -> None:
    assert submit.delivery is not None
    delivery = root
    for part in submit.delivery.pointer:
        delivery = delivery[part]
    parts = delivery.keys() - {"body"}
    assert parts == {"send", "timeout", "retries", "signature"}
    assert [part for part in parts if not source_names(delivery[part].get("source"))] == []


def test_the_body_of_the_callback_has_a_source(root: Any) -> None:
    assert source_names(root["components"]["schemas"]["CallbackBody"]["x-source"])


def test_how_keys_are_read_and_where_it_is_mounted_has_a_source(root: Any) -> None:
    assert source_names(root["components"]["securitySchemes"]["bearerKey"]["x-auth"]["source"])
    assert source_names(root["x-mounts"]["source"])


def test_every_source_has_a_known_confidence_and_is_used(spec: Spec) -> None:
    text = spec.document.path.read_text(encoding="utf-8").partition("\nx-sources:")[0]
    assert {each.confidence for each in spec.sources.values()} == set(CONFIDENCES)
    assert [name for name in spec.sources if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)] == []


def test_no_source_without_an_address_counts_as_documented(spec: Spec) -> None:
    without = {each.confidence for each in spec.sources.values() if not each.url}
    assert without <= {"observed", "assumed"}


def test_every_address_of_a_source_is_https(spec: Spec) -> None:
    assert [each.name for each in spec.sources.values() if each.url and not each.url.startswith("https://")] == []


def test_a_source_without_an_address_says_so(spec: Spec) -> None:
    silent = [each.name for each in spec.sources.values() if not each.url and "no address" not in each.title]
    assert silent == ["assumed"]


def test_only_deerapis_own_pages_count_as_documented_by_it(spec: Spec) -> None:
    by_provider = [each for each in spec.sources.values() if each.confidence == "documented-by-provider"]
    assert by_provider
    assert all(each.url.startswith("https://apidoc.deerapi.com/") for each in by_provider)


def test_what_is_known_from_two_that_contradict_is_said_to_be_disputed(root: Any) -> None:
    rules = root["components"]["schemas"]["OmniVideoRequest"]["x-held-rules"]
    disputed = [each["x-rule"]["id"] for each in rules if each["x-rule"].get("confidence") == "disputed"]
    assert disputed == ["R2-v3-omni", "R13", "R16", "aspect-ratio-with-feature-video"]


# Profiles


def test_page_keeps_types_names_and_the_required_prompt_alone() -> None:
    schema = validation_under("page").schema
    kept = {(pointer, keyword) for pointer, each in schemas_in(schema) for keyword in constraints_of(each)}
    assert kept == {("", "type"), ("", "required")} | {
        (f"/properties/{name}{items}", "type")
        for name, kind in PAGE_FIELDS.items()
        for items in (("", "/items") if kind == "array" else ("",))
    }
    assert schema["required"] == ["prompt"]


def test_page_enforces_no_rule_and_no_check() -> None:
    validation = validation_under("page")
    assert validation.rules == validation.warning_rules == ()
    assert "allOf" not in validation.schema


def test_kling_keeps_every_keyword(submit: Operation) -> None:
    enforced = dict(schemas_in(validation_under("kling").schema))
    for pointer, schema in schemas_in(submit.body_schema):
        assert constraints_of(enforced[pointer]) == constraints_of(schema), pointer


def test_what_a_profile_enforces_is_sound_json_schema(program: Program) -> None:
    validation: Validation = submit_validation(program)
    for schema in (validation.schema, validation_under("page").schema):
        jsonschema_rs.meta.validate(schema)


# Problems


def test_the_codes_are_those_of_the_vendors_table(spec: Spec) -> None:
    codes = {each.body["code"] for each in spec.problems.values() if isinstance(each.body.get("code"), int)}
    assert codes == STATUS_OF_CODE.keys()


def test_a_code_comes_with_the_status_of_the_vendors_table(spec: Spec) -> None:
    statuses = {
        name: (each.status, each.body["code"])
        for name, each in spec.problems.items()
        if name not in DEVIATIONS and name not in GATEWAY
    }
    assert {name: (STATUS_OF_CODE[code], code) for name, (_, code) in statuses.items()} == statuses


def test_the_deviations_from_the_table_are_these(spec: Spec) -> None:
    assert {name: (spec.problems[name].status, spec.problems[name].body["code"]) for name in DEVIATIONS} == DEVIATIONS
    assert {spec.problems[name].confidence for name in DEVIATIONS} == {"assumed"}


def test_each_code_of_the_table_has_a_problem_with_its_status(spec: Spec) -> None:
    found = {(each.body.get("code"), each.status) for each in spec.problems.values()}
    assert found >= set(STATUS_OF_CODE.items())


def test_an_unknown_task_is_400_with_1201_as_observed(spec: Spec) -> None:
    problem = spec.problems["task-not-found"]
    assert (problem.status, problem.body["code"], problem.confidence) == (400, 1201, "observed")
    assert problem.body["message"] == "Task not found by id/external id"


def test_the_gateways_problems_are_its_keys_and_quota(spec: Spec) -> None:
    found = {name: each.status for name, each in spec.problems.items() if name.startswith("gateway-")}
    assert found == GATEWAY


def test_what_may_be_sent_again_is_said_of_every_problem(spec: Spec) -> None:
    expected = dict.fromkeys(spec.problems, "never") | RETRIED | READ_AGAIN
    assert {name: each.retry for name, each in spec.problems.items()} == expected


def test_every_problem_of_the_vendor_has_the_vendors_shape(spec: Spec) -> None:
    for name, problem in spec.problems.items():
        if name not in GATEWAY:
            assert list(problem.body) == ["code", "message", "request_id"], name


def test_every_answer_to_something_wrong_is_a_status_of_its_operation(spec: Spec) -> None:
    for operation in spec.operations:
        assert operation.response_schema(operation.status) is not None, operation.id
        missing = [each.name for each in spec.problems.values() if operation.response_schema(each.status) is None]
        assert missing == [], operation.id


# Operations


def test_the_get_operations_say_that_deerapi_does_not_document_them(spec: Spec, root: Any) -> None:
    for operation in spec.operations:
        raw = root["paths"][operation.path][operation.method.lower()]
        said = "not documented by DeerAPI" in raw["summary"]
        confidences = {spec.sources[name].confidence for name in source_names(raw["x-source"])}
        assert said != ("documented-by-provider" in confidences)
        assert said or operation.id in ("createOmniVideo", "createText2Video")


@pytest.mark.parametrize("kind", ["omni-video", "text2video", "image2video"])
def test_the_operations_of_each_type_are_submit_query_and_list(spec: Spec, kind: str) -> None:
    base = f"/kling/v1/videos/{kind}"
    assert {(each.method, each.path, each.role) for each in spec.operations if each.task_type == kind} == {
        ("POST", base, "submit"),
        ("GET", base, "list"),
        ("GET", f"{base}/{{task_id}}", "query"),
    }


def test_the_link_leads_from_the_submitted_task_to_its_query(root: Any) -> None:
    links = root["paths"]["/kling/v1/videos/omni-video"]["post"]["responses"]["200"]["links"]
    (link,) = links.values()
    assert link["operationId"] == "getOmniVideo"
    assert link["parameters"] == {"task_id": "$response.body#/data/task_id"}


def test_the_callback_goes_to_the_callback_url_of_the_request(root: Any) -> None:
    callbacks = root["paths"]["/kling/v1/videos/omni-video"]["post"]["callbacks"]
    assert {name: list(each) for name, each in callbacks.items()} == {"taskUpdate": ["{$request.body#/callback_url}"]}


def test_the_callback_is_flat_and_sent_on_every_status(root: Any, task_type: Any, submit: Operation) -> None:
    assert submit.delivery is not None
    assert submit.delivery.statuses == tuple(task_type["statuses"])
    assert (
        not {"code", "message", "request_id", "data"}
        & root["components"]["schemas"]["CallbackBody"]["properties"].keys()
    )


def test_the_pages_of_the_list_have_the_vendors_limits(spec: Spec) -> None:
    for listing in [each for each in spec.operations if each.role == "list"]:
        limits = {
            name: (schema["minimum"], schema["maximum"], schema["default"])
            for name, schema in listing.query_parameters.items()
        }
        assert limits == {"pageNum": (1, 1000, 1), "pageSize": (1, 500, 30)}


# Extensions


def extension_names(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from extension_names(item)
    elif isinstance(value, dict):
        for key, member in value.items():
            # Header names start with X- as well, but in capitals.
            if key.startswith("x-"):
                yield key
            yield from extension_names(member)


def test_the_schema_of_the_extensions_is_sound_json_schema(extensions: Any) -> None:
    assert extensions["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema_rs.meta.validate(extensions)


def test_the_schema_of_the_extensions_lists_every_one_that_is_used(root: Any, extensions: Any) -> None:
    used = set(extension_names(root))
    listed = {name for name in extensions["$defs"] if name.startswith("x-")}
    assert used <= listed
    assert listed == used


def test_every_extension_fits_its_definition(root: Any, extensions: Any) -> None:
    for name in sorted(set(extension_names(root))):
        validator = jsonschema_rs.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": extensions["$defs"]})
        for value in members(root, name):
            assert validator.is_valid(value), (name, value)


def members(value: Any, name: str) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from members(item, name)
    elif isinstance(value, dict):
        for key, member in value.items():
            if key == name:
                yield member
            yield from members(member, name)


def test_every_extension_says_where_it_stands_and_what_it_is_for(extensions: Any) -> None:
    for name, definition in extensions["$defs"].items():
        if name.startswith("x-"):
            assert re.compile(definition["x-where"])
            assert definition["description"].endswith(".")


# An ordinary tool


def test_the_request_schema_alone_says_the_rules_that_are_in_force(program: Program, root: Any) -> None:
    """What a tool that knows nothing of `x-` members enforces is what the twin enforces, but for the checks."""
    rules = submit_validation(program).rules
    plain = [each["x-rule"]["id"] for each in root["components"]["schemas"]["OmniVideoRequest"]["allOf"]]
    assert [rule.id for rule in rules] == plain


def test_held_rules_and_checks_are_out_of_an_ordinary_tools_sight(root: Any) -> None:
    schema = root["components"]["schemas"]["OmniVideoRequest"]
    assert [key for key in schema if key.startswith("x-")] == ["x-source", "x-held-rules", "x-checks"]

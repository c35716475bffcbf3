"""One definition of the tables, and a local deployment that differs only where it says so."""

import copy

from tools.local.deploy import DIFFERENCES
from tools.local.template import Json, load_template, resources_of, tables_from_template

KEYS = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]


def test_the_short_tags_of_cloudformation_are_read_in_their_long_form() -> None:
    template = load_template()

    assert template["Outputs"]["CatalogTableName"]["Value"] == {"Ref": "CatalogTable"}
    assert template["Resources"]["GatewayFunction"]["Properties"]["Role"] == {"Fn::GetAtt": ["GatewayRole", "Arn"]}


def test_every_table_of_the_template_can_be_made_with_string_keys_pk_and_sk() -> None:
    tables = {table["TableName"]: table for table in tables_from_template()}

    assert set(tables) == set(resources_of(load_template(), "AWS::DynamoDB::Table"))
    assert all(table["KeySchema"] == KEYS for table in tables.values())
    assert tables["ReceiptsTable"]["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}


def test_the_local_template_differs_in_the_gateways_start_its_role_and_the_spelling_of_any_alone() -> None:
    local = _locally(load_template())

    assert _changed(load_template(), local) == {"GatewayFunction", "GatewayRole", "ConsoleFunction"}


def _locally(template: Json) -> Json:
    changed = copy.deepcopy(template)
    for difference in DIFFERENCES:
        difference(changed)
    return changed


def _changed(one: Json, other: Json) -> set[str]:
    assert {key: value for key, value in one.items() if key != "Resources"} == {
        key: value for key, value in other.items() if key != "Resources"
    }
    names = set(one["Resources"]) | set(other["Resources"])
    return {name for name in names if one["Resources"].get(name) != other["Resources"].get(name)}

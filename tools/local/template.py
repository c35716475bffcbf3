"""template.yaml as plain data, and the tables that it describes.

The tests and the local stack make their tables from here, so that there is one definition of them.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"

type Json = dict[str, Any]


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags, turned into their long form."""


def _long_form(loader: yaml.Loader, suffix: str, node: yaml.Node) -> Json:
    """`!Ref x` is {"Ref": x}, `!GetAtt a.b` is {"Fn::GetAtt": ["a", "b"]}, every other `!Name` is {"Fn::Name": …}."""
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _long_form)


def load_template(path: Path = TEMPLATE) -> Json:
    loaded: Json = yaml.load(path.read_text(), Loader=_Loader)  # noqa: S506  _Loader is a SafeLoader
    return loaded


def resources_of(template: Json, kind: str) -> dict[str, Json]:
    """The resources of one type, such as AWS::SQS::Queue, by logical id."""
    return {name: resource for name, resource in template["Resources"].items() if resource["Type"] == kind}


def tables_from_template(path: Path = TEMPLATE) -> list[Json]:
    """What `create_table` takes, one for each table; TableName is the logical id.

    Backups, encryption and deletion protection stay behind: an emulator has nothing to lose, and a test must be able
    to drop what it made.
    """
    return [_create_table(name, table) for name, table in _tables(path).items()]


def create_tables(client: "DynamoDBClient", prefix: str = "", path: Path = TEMPLATE) -> dict[str, str]:
    """Make every table as `<prefix><logical id>`; returns the environment that names them: {"ACCOUNTS_TABLE": …}."""
    names = {}
    for logical_id, table in _tables(path).items():
        name = prefix + logical_id
        client.create_table(**_create_table(name, table))
        if time_to_live := table["Properties"].get("TimeToLiveSpecification"):
            client.update_time_to_live(TableName=name, TimeToLiveSpecification=time_to_live)
        names[_environment_name(logical_id)] = name
    return names


def _tables(path: Path) -> dict[str, Json]:
    return resources_of(load_template(path), "AWS::DynamoDB::Table")


def _create_table(name: str, table: Json) -> Json:
    properties = table["Properties"]
    copied = ("AttributeDefinitions", "KeySchema", "BillingMode", "GlobalSecondaryIndexes", "LocalSecondaryIndexes")
    arguments = {"TableName": name} | {key: properties[key] for key in copied if key in properties}
    if stream := properties.get("StreamSpecification"):
        arguments["StreamSpecification"] = {"StreamEnabled": True} | stream
    return arguments


def _environment_name(logical_id: str) -> str:
    """AccountsTable -> ACCOUNTS_TABLE, as in the template's Globals."""
    return f"{logical_id.removesuffix('Table').upper()}_TABLE"

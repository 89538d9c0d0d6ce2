#!/usr/bin/env python3
"""Prints, as JSON, what botocore's model knows of a connection: its members, by name
with the type of each, and the values of its enumerations."""

import json

import botocore.session

model = botocore.session.get_session().get_service_model("codeconnections")
members = model.shape_for("Connection").members
print(
    json.dumps(
        {
            "members": {name: shape.type_name for name, shape in members.items()},
            "ProviderType": model.shape_for("ProviderType").enum,
            "ConnectionStatus": model.shape_for("ConnectionStatus").enum,
        }
    )
)

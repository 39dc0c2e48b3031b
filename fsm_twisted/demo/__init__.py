"""The article without a cluster: its sample applications, a stand-in node and kubectl."""

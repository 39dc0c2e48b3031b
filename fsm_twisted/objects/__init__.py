"""What Kubernetes said: Ingress, IngressClass, Service, EndpointSlice, Secret as frozen values."""

// Reads a kind configuration from standard input as kind does, and fails on what kind would refuse.
package main

import (
	"log"
	"os"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
)

func main() {
	log.SetFlags(0)
	decoder := yaml.NewDecoder(os.Stdin)
	decoder.KnownFields(true)
	var cluster v1alpha4.Cluster
	if err := decoder.Decode(&cluster); err != nil {
		log.Fatal(err)
	}
	if cluster.APIVersion != "kind.x-k8s.io/v1alpha4" || cluster.Kind != "Cluster" {
		log.Fatalf("unknown kind %q of apiVersion %q", cluster.Kind, cluster.APIVersion)
	}
}

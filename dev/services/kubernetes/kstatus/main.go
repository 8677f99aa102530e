// Prints what kstatus makes of each object on standard input, a line each: its status, a tab, its message.
// Helm, Flux and `kubectl wait`-like tools judge by this library.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func main() {
	log.SetFlags(0)
	objects := json.NewDecoder(os.Stdin)
	for {
		var text json.RawMessage
		err := objects.Decode(&text)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			log.Fatalf("kstatus: standard input is no sequence of JSON objects: %v", err)
		}
		var object unstructured.Unstructured
		if err := object.UnmarshalJSON(text); err != nil {
			log.Fatalf("kstatus: %v", err)
		}
		result, err := status.Compute(&object)
		if err != nil {
			log.Fatalf("kstatus: %v", err)
		}
		fmt.Printf("%s\t%s\n", result.Status, result.Message)
	}
}

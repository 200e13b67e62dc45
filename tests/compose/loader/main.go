// Loads a compose file with the library that docker compose uses, and prints what it has understood as JSON.
//
//	loader ENV_FILE COMPOSE_FILE
//
// All profiles are on. What is wrong is one line or more on stderr, and the exit code 1.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if err := load(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func load(environment, file string) error {
	options, err := cli.NewProjectOptions([]string{file},
		cli.WithEnvFiles(environment), cli.WithDotEnv, cli.WithProfiles([]string{"*"}))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(project)
}

package main

import (
	"context"
	"errors"
	"flag"
)

func images(_ context.Context, flags *flag.FlagSet, args []string) error {
	if err := parse(flags, args); err != nil {
		return err
	}
	return errors.New("not yet")
}

package contract_test

import (
	"testing"

	"katkit.dev/katkit/internal/contract"
)

func TestSpoolSum(t *testing.T) {
	for _, sum := range []contract.SpoolSum{{}, {Files: 1}, {Files: 64, LeftOut: 1 << 40}} {
		if got, err := contract.ParseSpoolSum(sum.String()); got != sum || err != nil {
			t.Errorf("%+v: got %+v, %v", sum, got, err)
		}
	}
	for _, said := range []string{"", "3", "a b", "1 2 3", "-1 0", "1 -2", " 1 2", "1 2\n", "01 2", "99999999999999999999 0"} {
		if got, err := contract.ParseSpoolSum(said); got != (contract.SpoolSum{}) || err == nil {
			t.Errorf("%q: got %+v", said, got)
		}
	}
}

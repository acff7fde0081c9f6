package network

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// kubeletSysctls are what the kubelet sets for the whole machine when it starts.
var kubeletSysctls = []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"}

// sysctlRecord is the machine's kernel settings before the cluster changed them.
type sysctlRecord struct {
	BootID string            `json:"bootID"` // they are void after a reboot
	Values map[string]string `json:"values"` // path below /proc/sys -> value
}

// RecordSysctl writes down, once a boot, the settings that the kubelet will change.
func RecordSysctl(stateFile string) error {
	for _, path := range kubeletSysctls {
		if err := recordSysctl(path, stateFile); err != nil {
			return err
		}
	}
	return nil
}

// RestoreSysctl gives every recorded setting its former value.
func RestoreSysctl(stateFile string) error {
	record := readSysctlRecord(stateFile)
	var failed []error
	for path, value := range record.Values {
		file := filepath.Join("/proc/sys", path)
		if now, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(now)) == value {
			continue
		}
		if err := os.WriteFile(file, []byte(value), 0o644); err != nil {
			failed = append(failed, fmt.Errorf("restore kernel setting %s = %s: %w", path, value, err))
		}
	}
	if err := os.Remove(stateFile); err != nil && !errors.Is(err, os.ErrNotExist) {
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

func setSysctl(path, value, stateFile string) error {
	if err := recordSysctl(path, stateFile); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join("/proc/sys", path), []byte(value), 0o644); err != nil {
		return fmt.Errorf("kernel setting %s: %w", path, err)
	}
	return nil
}

func recordSysctl(path, stateFile string) error {
	record := readSysctlRecord(stateFile)
	if _, done := record.Values[path]; done {
		return nil
	}
	value, err := os.ReadFile(filepath.Join("/proc/sys", path))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	record.Values[path] = strings.TrimSpace(string(value))
	data, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(stateFile, data, 0o644)
}

// readSysctlRecord returns this boot's record, an empty one when there is none.
func readSysctlRecord(stateFile string) sysctlRecord {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	boot := strings.TrimSpace(string(id))
	var record sysctlRecord
	data, err := os.ReadFile(stateFile)
	if err != nil || json.Unmarshal(data, &record) != nil || record.BootID != boot || record.Values == nil {
		return sysctlRecord{BootID: boot, Values: map[string]string{}}
	}
	return record
}

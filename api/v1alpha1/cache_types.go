package v1alpha1

// CacheSpec is a volume that builder Pods have in common, for what need not be fetched anew each time.
type CacheSpec struct {
	// claimName names the PersistentVolumeClaim of this namespace. Builder Pods that run side by side need one that is
	// ReadWriteMany, or one node.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	ClaimName string `json:"claimName,omitempty"`

	// path where it is in the build container. /cache when absent.
	// +optional
	// +default="/cache"
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:Pattern=`^(/[^/:[:cntrl:]]+)+$`
	// +kubebuilder:validation:XValidation:rule="!self.split('/').exists(part, part == '..' || part == '.')",message="path has no '.' or '..' in it"
	// +kubebuilder:validation:XValidation:rule="!['/workspace', '/katkit', '/katkit-agent', '/var/run/katkit', '/dev', '/proc', '/sys'].exists(taken, self == taken || self.startsWith(taken + '/'))",message="path is none of Katkit's own folders (/workspace, /katkit, /var/run/katkit), nor of Linux' (/dev, /proc, /sys)"
	Path string `json:"path,omitempty"`
}

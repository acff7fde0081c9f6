package v1alpha1

// BuilderEnvVar is one variable for ci.sh, whose value may be in a Secret or a ConfigMap of the tenant.
// +kubebuilder:validation:XValidation:rule="!has(self.value) || !has(self.valueFrom)",message="a variable has value or valueFrom, not both"
// +kubebuilder:validation:XValidation:rule="!has(self.valueFrom) || !(self.name in ['KATKIT_FETCH_DEPTH', 'KATKIT_SUBMODULES', 'KATKIT_LFS'])",message="what is asked of the checkout has value, not valueFrom: the checkout reads no Secret and no ConfigMap"
type BuilderEnvVar struct {
	// name of the variable. Katkit's own variables win over one of the same name.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	Name string `json:"name,omitempty"`

	// value of the variable, taken as it is. Empty when absent, and valueFrom too.
	// +optional
	// +kubebuilder:validation:MinLength=0
	// +kubebuilder:validation:MaxLength=32768
	Value string `json:"value,omitempty"`

	// valueFrom names the Secret or ConfigMap that has the value.
	// +optional
	ValueFrom *EnvVarSource `json:"valueFrom,omitempty"`
}

// EnvVarSource is where the value of a variable is.
// +kubebuilder:validation:ExactlyOneOf=secretKeyRef;configMapKeyRef
type EnvVarSource struct {
	// secretKeyRef is a key of a Secret. Its value is masked in the log.
	// +optional
	SecretKeyRef *KeyReference `json:"secretKeyRef,omitempty"`

	// configMapKeyRef is a key of a ConfigMap.
	// +optional
	ConfigMapKeyRef *KeyReference `json:"configMapKeyRef,omitempty"`
}

// KeyReference is a key of a Secret or a ConfigMap of the same namespace.
type KeyReference struct {
	// name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// key in the object's data.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`

	// optional leaves the variable out when the object, or its key, is not there. Without it the phase fails.
	// +optional
	Optional bool `json:"optional,omitempty"`
}

// EnvFromSource makes each key of a Secret or a ConfigMap a variable for ci.sh.
// +kubebuilder:validation:ExactlyOneOf=secretRef;configMapRef
type EnvFromSource struct {
	// prefix is put before each key.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	Prefix string `json:"prefix,omitempty"`

	// secretRef names a Secret. Its values are masked in the log.
	// +optional
	SecretRef *ObjectReference `json:"secretRef,omitempty"`

	// configMapRef names a ConfigMap.
	// +optional
	ConfigMapRef *ObjectReference `json:"configMapRef,omitempty"`
}

// ObjectReference is a Secret or a ConfigMap of the same namespace.
type ObjectReference struct {
	// name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// optional does without an object that is not there. Without it the phase fails.
	// +optional
	Optional bool `json:"optional,omitempty"`
}

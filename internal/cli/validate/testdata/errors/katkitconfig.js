[
  {
    "EnvName": "default",
    "WorkFlow": [
      {"Name": "BUILD", "PhaseType": 4, "Order": 0, "BuildParams": "PHASE=BUILD, GIT_DIR=/tmp"},
      {"Name": "DEPLOY", "PhaseType": 2, "Order": 1}
    ]
  },
  {
    "EnvName": "PROD",
    "WorkFlow": [
      {"Name": "DEPLOY", "PhaseType": 1, "Order": 0, "IsPhaseAutomated": false}
    ]
  }
]

"""What `crm_simulate` does between its command line and the scheduler."""

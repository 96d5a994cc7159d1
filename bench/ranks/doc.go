// Package ranks measures between many processes that a launcher has started:
// mpirun, srun and their likes. Each is a rank; they find each other through what
// the launcher puts into their environment, run flows of messages in a pattern,
// all at once, and rank 0 makes one result of what all have measured.
//
//	place, err := ranks.Environment(os.Getenv)
//	g, err := ranks.Join(ctx, place, cfg)
//	if place.Rank > 0 {
//		err = g.Follow(ctx) // until rank 0 is through
//	} else {
//		report, nodes, err = g.Measure(ctx)
//	}
//	g.Close()
//
// A flow is a run between two nodes as package bench knows it, with the client on
// one rank and the server on another: each message carries its number, and both
// sides are held against each other.
//
// # What launchers say
//
// Open MPI (4.1 as in Debian): OMPI_COMM_WORLD_RANK, _SIZE, _LOCAL_RANK and
// _LOCAL_SIZE. Where all ranks are on one host they meet in the folder of the job,
// OMPI_MCA_orte_jobfam_session_dir; otherwise on mpirun's own host, whose addresses
// are in OMPI_MCA_orte_hnp_uri, at a port made of the job's number. Rank 0 must be
// there, as OMPI_MCA_orte_local_daemon_uri tells.
//
// PMI (MPICH's mpiexec and others): PMI_RANK and PMI_SIZE, and the process manager
// itself, which PMI_FD leads to, keeps rank 0's address.
//
// Slurm: SLURM_PROCID, SLURM_STEP_NUM_TASKS (or SLURM_NTASKS) and SLURM_LOCALID.
// They meet on the first node of SLURM_STEP_NODELIST, which is SLURM_NODEID 0, at a
// port made of the numbers of job and step. Without SLURM_STEP_ID this is the batch
// script itself, and no task of srun.
//
// The first of these that is there counts: mpirun in an allocation of Slurm is Open
// MPI. All of it can be overruled by Config.Rendezvous and Config.RendezvousFile.
//
// The package neither prints nor exits.
package ranks
